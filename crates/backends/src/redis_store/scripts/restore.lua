-- Writes an execution again that Redis has lost, or has forgotten to be taken over by us; if another
-- incarnation that is not older has it, changes nothing and answers its fence.
-- KEYS fence, record, hold  ARGV fence, incarnation, format, record, result or '', hold, its ms
local found = redis.call('GET', KEYS[1])
if found == ARGV[1] then
    return 'ok'
end
if found and tonumber(string.match(found, '^%d+')) >= tonumber(ARGV[2]) then
    return found
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], 'format', ARGV[3], 'record', ARGV[4])
if ARGV[5] == '' then
    redis.call('HDEL', KEYS[2], 'result')
else
    redis.call('HSET', KEYS[2], 'result', ARGV[5])
end
redis.call('SET', KEYS[3], ARGV[6], 'PX', ARGV[7])
return 'ok'
