-- wrk -s replay.lua URL -- FILE RECORD_BYTES FIRST COUNT [again]
-- Sends prepared requests, each once, or from the first one again where that is said: records of one length, read one
-- behind the other. The last line it prints is one of JSON. Nothing is read of the answers here, which would cost wrk
-- more than sending does; it counts the statuses.

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   file = assert(io.open(args[1], "rb"))
   file:setvbuf("full", 1048576)
   size = tonumber(args[2])
   first = tonumber(args[3]) * size
   file:seek("set", first)
   count = tonumber(args[4])
   again = args[5] == "again"
   left = count
   sent = 0
   exhausted = 0
end

function request()
   if left == 0 and again then
      file:seek("set", first)
      left = count
   end
   if left > 0 then
      left = left - 1
      sent = sent + 1
      record = file:read(size)
   else
      exhausted = 1
      wrk.thread:stop()
   end
   return record
end

function done(summary, latency, requests)
   local sent, exhausted = 0, 0
   for _, thread in ipairs(threads) do
      sent = sent + thread:get("sent")
      exhausted = exhausted + thread:get("exhausted")
   end
   local errors = summary.errors
   io.write(string.format(
      '{"answered": %d, "refused": %d, "broken": %d, "sent": %d, "exhausted": %d, "seconds": %.6f, ' ..
      '"latency_ms": {"p50": %.3f, "p75": %.3f, "p90": %.3f, "p99": %.3f, "p99.9": %.3f}}\n',
      summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout, sent, exhausted,
      summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(75) / 1e3,
      latency:percentile(90) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
