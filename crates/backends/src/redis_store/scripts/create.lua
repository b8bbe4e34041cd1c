-- Makes and holds an execution unless there is one of this name. Called again with the same fence,
-- it answers the same. If one of this name was removed, changes nothing and answers what is left of its
-- fence, unless it is called with that.
-- KEYS fence, record, hold, live, chunks, dead  ARGV fence, format, record, result or '', hold, its ms,
-- what is left of the fence of a removed one or ''
local found = redis.call('GET', KEYS[1])
if found == ARGV[1] then
    return 'ok'
end
if redis.call('EXISTS', KEYS[2]) == 1 then
    return 'exists'
end
if found and found ~= ARGV[7] then
    return found
end
redis.call('DEL', KEYS[4], KEYS[5], KEYS[6])
redis.call('SET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], 'format', ARGV[2], 'record', ARGV[3])
if ARGV[4] ~= '' then
    redis.call('HSET', KEYS[2], 'result', ARGV[4])
end
redis.call('SET', KEYS[3], ARGV[5], 'PX', ARGV[6])
return 'ok'
