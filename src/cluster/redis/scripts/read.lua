-- A part of the log, and whether its bounds are positions in it. A position is one if it is not below the floor
-- and the first event above it names it as the one before; without such an event it has to be the newest number.
local CHUNK = 64
local after, before, order, limit, bytes, ttl_ms, from = unpack(ARGV)
limit, bytes, ttl_ms, from = tonumber(limit), tonumber(bytes), tonumber(ttl_ms), tonumber(from)
local at, idle_ms, vacant_ms, vacant_since = unpack(redis.call('HMGET', state, 'ha', 'hi', 'hw', 'hv'))
local newest, cleared, evicted = unpack(redis.call('HMGET', state, 'h', 'hc', 'he'))
local ended = not newest or log_end(at, idle_ms, vacant_ms, vacant_since) <= now_ms
local oldest = tonumber(oldest_live(ttl_ms))

-- Both ends included.
local function range(first, last, count, reversed)
  if ended or first > last then return {} end
  if reversed then return redis.call('XREVRANGE', log, decimal(last), decimal(first), 'COUNT', count) end
  return redis.call('XRANGE', log, decimal(first), decimal(last), 'COUNT', count)
end
local TOP = 9007199254740991
local function believed(position)
  if position < lowest or not newest then return false end
  local above = range(math.max(position + 1, oldest), TOP, 1)[1]
  return tonumber(above and above[2][2] or newest) == position
end

local first, last, states = oldest, TOP, { '', '' }
if after ~= '' then
  local is_one = believed(tonumber(after))
  states[1] = is_one and '1' or '0'
  if is_one then first = math.max(tonumber(after) + 1, oldest) end
end
if before ~= '' then
  local is_one = believed(tonumber(before))
  states[2] = is_one and '1' or '0'
  last = is_one and tonumber(before) - 1 or -1
end
local hidden = from > first and #range(first, math.min(from - 1, last), 1) > 0
first = math.max(first, from)

local entries, size, more = {}, 0, false
local reversed = order == '-'
repeat
  local wanted = math.min(CHUNK, limit - #entries + 1)
  local page = range(first, last, wanted, reversed)
  for _, entry in ipairs(page) do
    size = size + #entry[2][4]
    if #entries >= limit or size > bytes and #entries > 0 then
      more = true
      break
    end
    entries[#entries + 1] = entry
    local number = tonumber(string.match(entry[1], '^%d+'))
    if reversed then last = number - 1 else first = number + 1 end
  end
until more or #page < wanted
return {
  'LOG', decimal(lowest), newest or '', cleared or '0', evicted or '0', states[1], states[2], hidden and '1' or '0',
  more and '1' or '0', entries,
}
