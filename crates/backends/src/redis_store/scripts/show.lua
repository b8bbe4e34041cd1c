-- Shows progress, for the owner of the fence only; else changes nothing and answers the fence found,
-- or ''. Each time it does the same.
-- KEYS fence, live  ARGV fence, progress
local found = redis.call('GET', KEYS[1])
if found ~= ARGV[1] then
    return found or ''
end
redis.call('SET', KEYS[2], ARGV[2])
return 'ok'
