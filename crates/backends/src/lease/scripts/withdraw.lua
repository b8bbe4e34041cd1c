-- Takes tasks back before a worker has them.
-- Guarantee: a task that is answered `withdrawn` is granted to nobody by a copy of this incarnation or an
-- older one, for a day. A task with a live owner is left alone. Called again, it answers the same.
-- KEYS: sessions, tombstones, calm, the record of each task
-- ARGV: incarnation
-- Answer: per task a letter: w withdrawn, l leased, d done
local incarnation = tonumber(ARGV[1])
local answers = {}
for index = 4, #KEYS do
  local record, answer = read(index), 'w'
  local state = record and sub(record, 1, 1)
  local void = incarnation
  if state == 'd' then
    answer = 'd'
  elseif state == 'r' then
    if is_vanished(sub(record, 2, 17)) then record = healed(record) else answer = 'l' end
  elseif state == 'c' then
    void = math.max(void, (unpack_from('>I4', record, 34)))
  end
  if answer == 'w' then
    local new = 'c' .. (record and sub(record, 2, 33) or string.rep('\0', 32)) .. pack('>I4', void)
      .. (record and sub(record, 38) or '\0')
    redis.call('SET', KEYS[index], new, 'EX', 86400)
    written[KEYS[index]] = new
  end
  answers[index - 3] = answer
end
return table.concat(answers)
