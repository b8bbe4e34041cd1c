-- Declares an execution over, up to an incarnation.
-- Guarantee: no copy of that incarnation or an older one is granted, for 30 days. Repeatable.
-- KEYS: the flags of the execution
-- ARGV: incarnation
local ended = tonumber(redis.call('HGET', KEYS[1], 'ended')) or 0
redis.call('HSET', KEYS[1], 'ended', string.format('%.0f', math.max(ended, tonumber(ARGV[1]))))
redis.call('EXPIRE', KEYS[1], 2592000)
return 1
