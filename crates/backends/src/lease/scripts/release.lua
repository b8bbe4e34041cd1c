-- Gives a lease back, for a retry or because the worker leaves.
-- Guarantee: only the session and attempt that have the lease can give it back; never a dead session.
-- The task is free at once. Called again, it answers `already` unless somebody claimed the task since.
-- KEYS: tombstones, the record of the task
-- ARGV: session, attempt (4 bytes), losses so far (4 bytes), history
-- Answer: a accepted, y already, s stale
local record = redis.call('GET', KEYS[2])
if not record or redis.call('ZSCORE', KEYS[1], ARGV[1]) or string.sub(record, 2, 21) ~= ARGV[1] .. ARGV[2] then
  return 's'
end
local state = string.sub(record, 1, 1)
if state == 'q' then return 'y' end
if state ~= 'r' then return 's' end
redis.call('SET', KEYS[2],
  'q' .. string.sub(record, 2, 21) .. ARGV[3] .. string.sub(record, 26, 33) .. '\0\0\0\0\0' .. ARGV[4])
return 'a'
