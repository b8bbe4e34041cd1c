-- Lists the live sessions. Changes nothing.
-- Answer: per session its id (16) and the milliseconds that it has left (8)
local listed = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local answers = {}
for index = 1, #listed, 2 do
  answers[#answers + 1] = listed[index] .. struct.pack('>I8', math.max(0, listed[index + 1] - now))
end
return table.concat(answers)
