-- The log of a channel is a stream. The id of an entry is the number of its event; it has the number of the
-- logged one before (`h`), and the envelope (`b`).
--
-- More fields of `state`: h number of the newest event or clearing, or of the beginning before the first; ha its
-- time; hb bytes of all entries; hc number of the last clearing; he of the newest evicted event; hi and hw how
-- long the log lives without events, and without subscribers; hv since when it has none. Times are in
-- milliseconds.
local now_ms = math.floor(now / 1000)

local function log_end(at, idle_ms, vacant_ms, vacant_since)
  local ends = (at or 0) + (idle_ms or 0)
  if vacant_since then ends = math.min(ends, vacant_since + (vacant_ms or 0)) end
  return ends
end

-- The id of the oldest event that has not expired.
local function oldest_live(ttl_ms) return decimal(math.max(now - ttl_ms * 1000 + 1, 0)) end
