-- Replaces the record, for the owner of the fence only; else changes nothing and answers the fence
-- found, or ''. Each time it does the same.
-- KEYS fence, record, live  ARGV fence, format, record, result or ''
local found = redis.call('GET', KEYS[1])
if found ~= ARGV[1] then
    return found or ''
end
redis.call('HSET', KEYS[2], 'format', ARGV[2], 'record', ARGV[3])
if ARGV[4] == '' then
    redis.call('HDEL', KEYS[2], 'result')
else
    redis.call('HSET', KEYS[2], 'result', ARGV[4])
end
redis.call('DEL', KEYS[3])
return 'ok'
