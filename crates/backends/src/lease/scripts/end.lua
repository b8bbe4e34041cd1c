-- Declares an execution over, or about to be, up to an incarnation.
-- Guarantee: no copy of an incarnation that has `ended`, or of an older one, is granted, for 30 days. Repeatable.
-- KEYS: the flags of the execution
-- ARGV: incarnation; `ended` or `stopping`
local last = tonumber(redis.call('HGET', KEYS[1], ARGV[2])) or 0
redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f', math.max(last, tonumber(ARGV[1]))))
if redis.call('HEXISTS', KEYS[1], 'paused') == 0 or ARGV[2] == 'ended' then redis.call('EXPIRE', KEYS[1], 2592000) end
return 1
