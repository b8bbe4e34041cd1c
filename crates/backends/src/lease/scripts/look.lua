-- Reads records. Changes nothing.
-- KEYS: the record of each task
-- Answer: per task its length (4) and bytes; length 0 if there is none
local answers, size = {}, 0
for index = 1, #KEYS do
  local record = read(index) or ''
  answers[index], size = pack('>I4', #record) .. record, size + #record + 4
  if size > MOST_BYTES then break end
end
return table.concat(answers)
