-- Declares sessions dead that did not renew. The only way in which one dies that does not leave.
-- Guarantee: each is answered once, and its tombstone is there before anybody can take its tasks, so
-- that it is granted nothing and nothing is accepted from it from then on. Nobody is declared dead
-- during a calm. Tombstones are kept for a day.
-- ARGV: lease in milliseconds
-- Answer: the sessions, 16 bytes each
touch(tonumber(ARGV[1]))
if now < calm_until() then return '' end
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, 1000)
for _, session in ipairs(dead) do
  redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', now), session)
  redis.call('ZREM', KEYS[1], session)
  redis.call('HDEL', KEYS[7], session)
end
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - 86400000), 'LIMIT', 0, 1000)
for _, session in ipairs(old) do
  redis.call('ZREM', KEYS[2], session)
  redis.call('HDEL', KEYS[8], session)
end
return table.concat(dead)
