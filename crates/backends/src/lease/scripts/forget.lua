-- Makes ended, withdrawn and free tasks new: free, with a fresh budget, without outcome and history.
-- Guarantee: attempts go on counting for a day, so that no token is given out twice; a task that is
-- leased stays so. Repeatable.
-- KEYS: the record of each task
-- Answer: how many are leased
local leased = 0
for index = 1, #KEYS do
  local record = read(index)
  local state = record and sub(record, 1, 1)
  if state == 'r' then
    leased = leased + 1
  elseif state then
    local new = 'q' .. sub(record, 2, 21) .. '\0\0\0\0' .. sub(record, 26, 33) .. '\0\0\0\0\0'
    redis.call('SET', KEYS[index], new, 'EX', 86400)
    written[KEYS[index]] = new
  end
end
return leased
