-- Reads facts as the owner: `after` is an entry for those that were read and not acknowledged, or > for
-- new ones. Without a fact there is no stream, and no group.
local token, group, after, most = unpack(ARGV)
if redis.call('GET', owner) ~= token then return { 'OTHER' } end
local lost = tonumber(redis.call('HGET', floor, 'lost') or '0')
if lost > 0 then redis.call('HDEL', floor, 'lost') end
if redis.call('EXISTS', facts) == 0 then return { 'FACTS', {}, {}, lost } end

local read = { 'XREADGROUP', 'GROUP', group, 'owner', 'COUNT', most, 'STREAMS', facts, after }
local taken = redis.pcall(unpack(read))
if taken and taken.err then
  redis.call('XGROUP', 'CREATE', facts, group, '0')
  taken = redis.call(unpack(read))
end
local entries = taken and taken[1][2] or {}
local marked = {}
-- New facts have no marks.
if after ~= '>' then
  for at, entry in ipairs(entries) do marked[at] = redis.call('HGET', marks, entry[1]) or '' end
end
return { 'FACTS', entries, marked, lost }
