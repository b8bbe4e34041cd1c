-- Ends tasks with their outcomes.
-- Guarantee: an outcome is accepted only from the session and attempt that have the lease, and at most
-- one for each lease; never from a dead session. Called again, it answers `already`.
-- KEYS: tombstones, the record of each task
-- ARGV: session; seconds for which an outcome is kept; the attempts, 4 bytes each; an outcome per task
-- Answer: per task a letter: a accepted, y already, s stale
local session, seconds, attempts = ARGV[1], ARGV[2], ARGV[3]
if redis.call('ZSCORE', KEYS[1], session) then return string.rep('s', #KEYS - 1) end

local answers = {}
for index = 2, #KEYS do
  local record, answer = read(index), 's'
  if record and sub(record, 2, 21) == session .. sub(attempts, index * 4 - 7, index * 4 - 4) then
    local state = byte(record)
    if state == 114 then -- r
      answer = 'a'
      local key, new = KEYS[index], 'd' .. sub(record, 2, 33) .. '\0\0\0\0\0' .. ARGV[index + 2]
      redis.call('SET', key, new, 'EX', seconds)
      written[key] = new
    elseif state == 100 then -- d
      answer = 'y'
    end
  end
  answers[index - 1] = answer
end
return table.concat(answers)
