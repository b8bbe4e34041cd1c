-- Takes back what a live session holds, after Redis lost writes.
-- Guarantee: a task is taken back only if it is free, or its owner has vanished, and no later attempt
-- than the asserted one is recorded. Nothing is taken from a live session. Called again, it answers the same.
-- KEYS: sessions, tombstones, calm, the record of each task
-- ARGV: session; the attempts, 4 bytes each
-- Answer: `!` the session is dead, `?` it is unknown, else per task a letter: h held, l lost
local session, attempts = ARGV[1], ARGV[2]
if redis.call('ZSCORE', KEYS[2], session) then return '!' end
if not redis.call('ZSCORE', KEYS[1], session) then return '?' end

local answers = {}
for index = 4, #KEYS do
  local record, answer = read(index), 'l'
  local attempt = sub(attempts, index * 4 - 15, index * 4 - 12)
  local state = record and sub(record, 1, 1) or 'q'
  if record and sub(record, 2, 21) == session .. attempt and (state == 'r' or state == 'd') then
    answer = 'h'
  -- A calm does not protect a missing owner here: whoever asserts has the better claim.
  elseif (state == 'q' or (state == 'r' and not expiry(sub(record, 2, 17))))
    and (not record or unpack_from('>I4', record, 18) <= unpack_from('>I4', attempt)) then
    answer = 'h'
    local new = 'r' .. session .. attempt .. (record and sub(record, 22, 25) or '\0\0\0\0')
      .. pack('>I8', now) .. '\0\0\0\0' .. (record and sub(record, 38) or '\0')
    redis.call('SET', KEYS[index], new)
    written[KEYS[index]] = new
  end
  answers[index - 3] = answer
end
return table.concat(answers)
