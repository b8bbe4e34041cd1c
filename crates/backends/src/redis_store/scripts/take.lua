-- Takes an execution over, once, from the fence that was seen, unless somebody else holds it. Called
-- again with the same fence, it answers the same.
-- KEYS fence, record, hold  ARGV fence seen, new fence, record, hold, its ms, a hold that counts as none
local found = redis.call('GET', KEYS[1]) or ''
if found == ARGV[2] then
    return 'ok'
end
local hold = redis.call('GET', KEYS[3])
if found ~= ARGV[1] or hold and hold ~= ARGV[6] then
    return 'changed'
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], 'record', ARGV[3])
redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[5])
return 'ok'
