-- Claims copies of tasks for a session.
-- Guarantee: of all sessions at most one is ever told `granted`, `mine` or `poison` for a task at a
-- time, as long as Redis loses no writes; never a dead one. Each grant has a higher attempt than the
-- one before. Called again, it answers `mine` where it answered `granted`, and `poison` as before.
-- A task whose owner has vanished counts a loss and is free.
-- KEYS: sessions, tombstones, calm, the flags of each execution, the record of each task
-- ARGV: session; number of executions; suspects allowed (tasks that one more loss would end); 11 bytes
--       per task: number of its execution (2), incarnation of the copy (4), most losses (4), whether it
--       is claimed before a slot is free for it (1)
-- Answer: `!` the session is dead, `?` it is unknown, else per task a letter, with g: nothing (a first
--         attempt); G granted, M mine, P poison: length (4) and the new record; B busy: owner (16) and
--         milliseconds (4); D done: length (4) and outcome; x dropped, l later, z paused: nothing
local session, executions, suspects, facts = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
if redis.call('ZSCORE', KEYS[2], session) then return '!' end
if not redis.call('ZSCORE', KEYS[1], session) then return '?' end

local flags
for number = 1, executions do
  local ended, paused = unpack(redis.call('HMGET', KEYS[3 + number], 'ended', 'paused'))
  if ended or paused then
    flags = flags or {}
    flags[number] = { ended = tonumber(ended), paused = paused }
  end
end

local before = 3 + executions
local fresh = 'r' .. session .. pack('>I4I4I8I4', 1, 0, now, 0) .. '\0'
local fresh_ahead = 'r' .. session .. pack('>I4I4I8I4', 1, 0, now, 1) .. '\0'
local answers, size, writes, last = {}, 0, {}, 0

-- What to answer about one task, and its new record if it gets one.
local function judge(record, number, incarnation, most_losses, ahead)
  local flag = flags and flags[number]
  if flag and flag.ended and flag.ended >= incarnation then return 'x' end
  local state = record and sub(record, 1, 1)
  if state == 'd' then
    local outcome = sub(record, 39 + byte(record, 38) * 36)
    return 'D' .. pack('>I4', #outcome) .. outcome
  elseif state == 'c' then
    if incarnation <= unpack_from('>I4', record, 34) then return 'x' end
    -- The task is wanted anew, with a fresh budget.
    record = 'q' .. sub(record, 2, 21) .. '\0\0\0\0' .. sub(record, 26, 33) .. '\0\0\0\0\0'
  elseif state == 'r' then
    local owner = sub(record, 2, 17)
    if owner == session then
      local lost = unpack_from('>I4', record, 22)
      local letter = 'M'
      if lost > 0 and lost + 1 >= most_losses then
        if lost >= most_losses then letter = 'P' else suspects = suspects - 1 end
      end
      return letter .. pack('>I4', #record) .. record
    end
    if not is_vanished(owner) then
      return 'B' .. owner .. pack('>I4', math.max(0, (expiry(owner) or calm) - now))
    end
    record = healed(record)
  end

  if flag and flag.paused then return 'z' end
  if not record then return 'g', ahead == 1 and fresh_ahead or fresh end
  local attempt, lost = unpack_from('>I4I4', record, 18)
  local letter = 'G'
  if lost > 0 and lost >= most_losses then
    letter = 'P'
  else
    -- What may have killed a worker is leased only when it begins, so that each death is its own.
    if ahead == 1 and (lost > 0 or byte(record, 37) == 1) then return 'l' end
    if lost > 0 and lost + 1 >= most_losses then
      if suspects <= 0 then return 'l' end
      suspects = suspects - 1
    end
    attempt = attempt + 1
  end
  local new = 'r' .. session .. pack('>I4I4I8I4', attempt, lost, now, ahead) .. sub(record, 38)
  return letter .. pack('>I4', #new) .. new, new
end

for index = before + 1, #KEYS do
  local record, at = read(index), (index - before) * 11
  local answer, new = 'g', byte(facts, at) == 1 and fresh_ahead or fresh
  if record or flags then answer, new = judge(record, unpack_from('>I2I4I4B', facts, at - 10)) end
  if new then
    local key = KEYS[index]
    written[key], writes[last + 1], writes[last + 2] = new, key, new
    last = last + 2
  end
  answers[index - before], size = answer, size + #answer
  if size > MOST_BYTES then break end
end
if last > 0 then redis.call('MSET', unpack(writes)) end
return table.concat(answers)
