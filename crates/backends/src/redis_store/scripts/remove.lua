-- Removes an execution for the owner of the fence only; else changes nothing and answers the fence
-- found, or ''. What is left for 30 days tells how many incarnations there were, since workers may know
-- of them as long. Repeatable.
-- KEYS fence, record, hold, live, chunks, dead  ARGV fence, what is left
local found = redis.call('GET', KEYS[1])
if found == ARGV[2] then
    return 'ok'
end
if found ~= ARGV[1] then
    return found or ''
end
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
redis.call('SET', KEYS[1], ARGV[2], 'EX', 2592000)
return 'ok'
