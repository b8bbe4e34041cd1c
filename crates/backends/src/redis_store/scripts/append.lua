-- Puts chunks and notes of dead tasks, and removes others, for the owner of the fence only; else
-- changes nothing and answers the fence found, or ''. Each time it does the same.
-- KEYS fence, chunks, dead  ARGV fence, how many chunks, how many notes, how many notes to remove,
-- (number, chunk)*, (key, task)*, keys of notes to remove, numbers of chunks to remove
local found = redis.call('GET', KEYS[1])
if found ~= ARGV[1] then
    return found or ''
end
local at = 5
for _ = 1, tonumber(ARGV[2]) do
    redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
    at = at + 2
end
for _ = 1, tonumber(ARGV[3]) do
    redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1])
    at = at + 2
end
for _ = 1, tonumber(ARGV[4]) do
    redis.call('HDEL', KEYS[3], ARGV[at])
    at = at + 1
end
for number = at, #ARGV do
    redis.call('HDEL', KEYS[2], ARGV[number])
end
return 'ok'
