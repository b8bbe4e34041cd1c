-- Part of the scripts that read records; their layout is in record.rs.
-- Answers are cut off beyond this many bytes; the caller asks for the rest.
local MOST_BYTES = 1048576
local sub, byte, char, pack, unpack_from = string.sub, string.byte, string.char, struct.pack, struct.unpack

-- Reads the records KEYS[first], KEYS[first + 1] ... in groups, so that a call that is cut off has not
-- read them all. A record that this call has written is read as written, so that two questions about
-- one task in one call are answered one after the other.
local written, group, group_start = {}, nil, nil
local function read(index)
  local mine = written[KEYS[index]]
  if mine then return mine end
  if not group or index >= group_start + 64 then
    group, group_start = redis.call('MGET', unpack(KEYS, index, math.min(index + 63, #KEYS))), index
  end
  return group[index - group_start + 1]
end
