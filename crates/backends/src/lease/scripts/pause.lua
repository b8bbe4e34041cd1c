-- Pauses an execution, or lets it go on.
-- Guarantee: while it is paused nothing of it is granted; what runs goes on. Repeatable.
-- KEYS: the flags of the execution
-- ARGV: 1 or 0
if ARGV[1] == '1' then
  redis.call('HSET', KEYS[1], 'paused', '1')
  redis.call('PERSIST', KEYS[1])
else
  redis.call('HDEL', KEYS[1], 'paused')
  redis.call('EXPIRE', KEYS[1], 2592000)
end
return 1
