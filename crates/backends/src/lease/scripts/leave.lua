-- Ends a session in an orderly way.
-- Guarantee: from now on it is dead: nothing is granted to it or accepted from it. Repeatable.
-- ARGV: session
redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', now), ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[7], ARGV[1])
return 1
