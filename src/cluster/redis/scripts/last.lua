local _, channel, blob, ttl_ms, sent_ms = unpack(ARGV)
if is_outdated(sent_ms) then
  messages[1] = blob
  publish()
  return { 'OLDER', decimal(number) }
end
local stored = stored_head()
local head = stored and stored .. ':' .. sent_ms .. ':'
if head and redis.call('GET', last_event) == head .. blob then return { 'SAME', stored } end

tell('*', blob)
keep_last(channel, blob, ttl_ms, sent_ms)
publish()
return { 'STORED', decimal(number) }
