-- Holds an execution for longer, unless another incarnation that is not older has taken over, whose
-- fence it answers then. Each time it does the same.
-- KEYS fence, hold  ARGV fence, incarnation, hold, its ms
local found = redis.call('GET', KEYS[1])
if found and found ~= ARGV[1] and tonumber(string.match(found, '^%d+')) >= tonumber(ARGV[2]) then
    return found
end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return 'ok'
