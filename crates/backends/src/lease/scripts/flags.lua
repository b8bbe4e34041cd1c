-- Reads the flags of an execution. Changes nothing.
-- KEYS: the flags of the execution
-- Answer: 1 if it is paused, else 0; then the incarnation up to which it has ended, if it has, a blank, and that
-- up to which it is stopping, if it is
local ended, paused, stopping = unpack(redis.call('HMGET', KEYS[1], 'ended', 'paused', 'stopping'))
return (paused and '1' or '0') .. (ended or '') .. ' ' .. (stopping or '')
