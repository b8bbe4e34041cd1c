-- Says whether a session still has its lease of a task, and remembers how far the task is if told.
-- Guarantee: nothing is remembered for whom the lease was lost. Repeatable.
-- KEYS: tombstones, the record of the task, its progress if there is some to remember
-- ARGV: session, attempt (4 bytes), seconds for which it is remembered, progress
-- Answer: h held, l lost
local record = redis.call('GET', KEYS[2])
if not record or redis.call('ZSCORE', KEYS[1], ARGV[1])
  or string.sub(record, 1, 21) ~= 'r' .. ARGV[1] .. ARGV[2] then
  return 'l'
end
if KEYS[3] then redis.call('SET', KEYS[3], ARGV[4], 'EX', ARGV[3]) end
return 'h'
