-- wrk's own script: one request again and again; what came back is counted, and told as JSON.
-- Arguments: the method, a text that each answer's body has ("": bodies are not looked at), a file to send.
local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(arguments)
   wrong = 0
   wrk.method = arguments[1]
   local text = arguments[2]
   if arguments[3] then
      local file = assert(io.open(arguments[3], "rb"))
      wrk.body = file:read("*a")
      file:close()
   end
   if text ~= "" then
      response = function(status, headers, body)
         if not body:find(text, 1, true) then
            wrong = wrong + 1
         end
      end
   end
end

function done(summary, latency, _)
   local wrong_bodies = 0
   for _, thread in ipairs(threads) do
      wrong_bodies = wrong_bodies + thread:get("wrong")
   end
   local microseconds = {}
   for _, percent in ipairs({ 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9 }) do
      table.insert(microseconds, string.format('"%g": %d', percent, latency:percentile(percent)))
   end
   table.insert(microseconds, string.format('"100": %d', latency.max))
   local errors = summary.errors
   print(string.format(
      '\n{"requests": %d, "microseconds": %d, "bytes": %d, "wrong": %d, "status": %d, "connect": %d, '
      .. '"read": %d, "write": %d, "timeout": %d, "latency": {%s}}',
      summary.requests, summary.duration, summary.bytes, wrong_bodies, errors.status, errors.connect,
      errors.read, errors.write, errors.timeout, table.concat(microseconds, ", ")
   ))
end
