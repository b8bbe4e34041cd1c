-- Erases a part of what is kept for the tasks of an execution that is over: their records become free and
-- new, whoever has them, and go after a day; all else goes.
-- Guarantee: outcomes of attempts from before are not accepted; attempts go on counting for a day, so that no
-- token is given out twice. What is there from the first call to the last is erased. Repeatable.
-- KEYS: the flags of the execution
-- ARGV: cursor, 0 at first; a pattern for the names; how names of records begin; how all other names begin, each
-- Answer: the next cursor, 0 at the end
local sub, records = string.sub, ARGV[3]
local found = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 1000)
for _, key in ipairs(found[2]) do
  if sub(key, 1, #records) == records then
    local record = redis.call('GET', key)
    -- What is not known from this layout is as good as none.
    if record and #record >= 38 then
      redis.call('SET', key, 'q' .. sub(record, 2, 21) .. '\0\0\0\0' .. sub(record, 26, 33) .. '\0\0\0\0\0', 'EX', 86400)
    else
      redis.call('UNLINK', key)
    end
  else
    for index = 4, #ARGV do
      if sub(key, 1, #ARGV[index]) == ARGV[index] then redis.call('UNLINK', key) end
    end
  end
end
return found[1]
