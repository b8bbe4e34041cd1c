-- Part of the scripts that ask whether a task's owner lives. They have the keys of sessions,
-- tombstones and calm as KEYS[1], KEYS[2] and KEYS[3].
local expiries = {}
local function expiry(owner)
  local known = expiries[owner]
  if known == nil then
    known = tonumber(redis.call('ZSCORE', KEYS[1], owner)) or false
    expiries[owner] = known
  end
  return known
end

-- During a calm, a session that is missing may only not have come back yet.
local calm
local function is_vanished(owner)
  if expiry(owner) then return false end
  calm = calm or tonumber(redis.call('GET', KEYS[3]) or 0)
  return now >= calm
end

-- The free record that a leased one becomes when its owner is found dead: one more loss, unless it was
-- leased ahead and may not have begun.
local function healed(record)
  if byte(record, 37) == 1 then return 'q' .. sub(record, 2) end
  local count, owner = byte(record, 38), sub(record, 2, 17)
  local kept = 39
  if count >= 10 then kept, count = 75, 9 end
  local died = tonumber(redis.call('ZSCORE', KEYS[2], owner)) or now
  local losses_end = 38 + byte(record, 38) * 36
  return 'q' .. sub(record, 2, 21) .. pack('>I4', unpack_from('>I4', record, 22) + 1) .. sub(record, 26, 37)
    .. char(count + 1) .. sub(record, kept, losses_end)
    .. sub(record, 2, 21) .. sub(record, 26, 33) .. pack('>I8', died) .. sub(record, losses_end + 1)
end
