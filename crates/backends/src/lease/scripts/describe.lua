-- Tells what sessions said of themselves. Changes nothing.
-- ARGV: sessions
-- Answer: per session the length (4) and text of its node, the length (4) and bytes of its info
local nodes, infos = redis.call('HMGET', KEYS[8], unpack(ARGV)), redis.call('HMGET', KEYS[7], unpack(ARGV))
local answers = {}
for index = 1, #ARGV do
  local node, info = nodes[index] or '', infos[index] or ''
  answers[index] = struct.pack('>I4', #node) .. node .. struct.pack('>I4', #info) .. info
end
return table.concat(answers)
