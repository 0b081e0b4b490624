-- One event of the log. `condition` is the number that the newest event has to have, `empty`, or nothing.
local MOST_TRIMMED, MOST_SEARCHED, ENTRY = 1000, 1000, 96
local _, node, channel, counter, blob, sent_ms, keep_ms, events, bytes, ttl_ms, idle_ms, vacant_ms, condition =
  unpack(ARGV)
counter, keep_ms, events, bytes = tonumber(counter), tonumber(keep_ms), tonumber(events), tonumber(bytes)
ttl_ms = tonumber(ttl_ms)
local held = redis.call('HMGET', state, 'h', 'hb', 'ha', 'hi', 'hw', 'hv')
local newest, size, vacant_since = held[1], tonumber(held[2] or '0'), held[6]

-- A lane keeps its order. So all that a node has sent up to its last counter was done.
if tonumber(redis.call('HGET', appends, node) or '-1') >= counter then
  for _, entry in ipairs(redis.call('XREVRANGE', log, '+', '-', 'COUNT', MOST_SEARCHED)) do
    if entry[2][4] == blob then return { 'APPENDED', string.match(entry[1], '^%d+') } end
  end
  if condition ~= '' then return { 'CHANGED', newest or '0' } end
  return { 'APPENDED', '0' }
end

local ended = not newest or log_end(held[3], held[4], held[5], held[6]) <= now_ms
local function holds()
  if condition == '' then return true end
  if condition ~= 'empty' then return condition == newest end
  if redis.call('EXISTS', last_event) == 1 then return false end
  return ended or #redis.call('XRANGE', log, oldest_live(ttl_ms), '+', 'COUNT', 1) == 0
end
-- The node has something here from now on, which its end takes away.
redis.call('HSETNX', incarnations, node, '0')
if not holds() then
  redis.call('HSET', appends, node, decimal(counter))
  return { 'CHANGED', newest or '0' }
end

-- What has ended begins anew, with the numbers of its former life.
if ended then
  redis.call('DEL', log)
  size, vacant_since = 0, false
end
local before = newest and tonumber(newest) or math.max(number + 1, now, lowest)
local predecessor = number
number = math.max(number + 1, before + 1, now, lowest)
redis.call('XADD', log, decimal(number) .. '-0', 'h', decimal(before), 'b', blob)
redis.call('HSET', appends, node, decimal(counter))
size = size + #blob + ENTRY

local function number_of(entry) return tonumber(string.match(entry[1], '^%d+')) end
-- Takes the oldest ones off. Returns the newest number that has not expired.
local function trim()
  local count, expired, removed, evicted = redis.call('XLEN', log), now - ttl_ms * 1000, nil, nil
  for _ = 1, MOST_TRIMMED do
    local from = removed and decimal(removed + 1) or '-'
    local entry = redis.call('XRANGE', log, from, '+', 'COUNT', 1)[1]
    if not entry or number_of(entry) > expired and count <= events and size <= bytes then break end
    removed, count, size = number_of(entry), count - 1, size - #entry[2][4] - ENTRY
    if removed > expired then evicted = removed end
  end
  if removed then redis.call('XTRIM', log, 'MINID', decimal(removed + 1)) end
  return evicted
end
local evicted = trim()

redis.call('HSET', state, 'q', decimal(number), 'h', decimal(number), 'ha', decimal(now_ms), 'hb', decimal(size),
  'hi', idle_ms, 'hw', vacant_ms)
if evicted then redis.call('HSET', state, 'he', decimal(evicted)) end
if not vacant_since then redis.call('HDEL', state, 'hv') end
redis.call('ZADD', lingering, decimal(log_end(now_ms, idle_ms, vacant_ms, vacant_since)), 'h' .. channel)

local sign = '='
if keep_ms > 0 and not is_outdated(sent_ms) then
  sign = '%'
  keep_last(channel, blob, keep_ms, sent_ms)
end
messages[1] = sign .. decimal(number) .. ':' .. decimal(predecessor) .. ':' .. decimal(before) .. ':' .. blob
publish()
return { 'APPENDED', decimal(number) }
