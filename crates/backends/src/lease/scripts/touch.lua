-- Part of the scripts about sessions.
-- KEYS: 1 sessions, 2 tombstones, 3 calm, 4 beat, 5 canary, 6 server, 7 info, 8 nodes
--
-- A session that did not renew is only dead if it could have. After a time in which Redis saw nobody, or
-- after another server took over, nobody is taken for dead for two leases: a calm. Renewals come three
-- in a lease, so half a lease without any means that nobody got through.
local function calm_until()
  return tonumber(redis.call('GET', KEYS[3]) or 0)
end

local function keep_calm(lease)
  redis.call('SET', KEYS[3], string.format('%.0f', math.max(calm_until(), now + 2 * lease)))
end

local function touch(lease)
  local beat = tonumber(redis.call('GET', KEYS[4]))
  local was_blind
  if beat then was_blind = 2 * (now - beat) > lease else was_blind = redis.call('ZCARD', KEYS[1]) > 0 end
  -- A user that may not ask for it gets an error, and has no such sign.
  local told = redis.pcall('INFO', 'server')
  local server = type(told) == 'string' and string.match(told, 'run_id:(%w+)') or ''
  local known = redis.call('GET', KEYS[6]) or server
  if was_blind or known ~= server then keep_calm(lease) end
  redis.call('MSET', KEYS[4], string.format('%.0f', now), KEYS[6], server)
  return server
end

local function renewed()
  local session, lease, node, info = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
  local server = touch(lease)
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + lease), session)
  redis.call('HSET', KEYS[8], session, node)
  redis.call('HSET', KEYS[7], session, info)
  return struct.pack('>I8I8', now, redis.call('INCR', KEYS[5])) .. server
end
