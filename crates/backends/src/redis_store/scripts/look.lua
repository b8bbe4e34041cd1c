-- Looks at everything of an execution that is small, at one moment; changes nothing.
-- KEYS fence, record, hold, live
local record = redis.call('HMGET', KEYS[2], 'format', 'record', 'result')
return {
    redis.call('GET', KEYS[1]), record[1], record[2], record[3],
    redis.call('GET', KEYS[3]), redis.call('PTTL', KEYS[3]), redis.call('GET', KEYS[4]),
}
