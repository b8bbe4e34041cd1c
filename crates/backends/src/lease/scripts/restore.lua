-- Undoes withdrawals.
-- Guarantee: a withdrawn task is free again, with its past; no other task changes. Repeatable.
-- KEYS: the record of each task
-- Answer: how many were withdrawn
local restored = 0
for index = 1, #KEYS do
  local record = read(index)
  if record and sub(record, 1, 1) == 'c' then
    restored = restored + 1
    local key, attempt, lost = KEYS[index], unpack_from('>I4I4', record, 18)
    if attempt == 0 and lost == 0 and #record == 38 then
      redis.call('DEL', key)
    else
      local new = 'q' .. sub(record, 2, 33) .. '\0\0\0\0' .. sub(record, 38)
      redis.call('SET', key, new)
      written[key] = new
    end
  end
end
return restored
