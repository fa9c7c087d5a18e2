-- What wrk sends. The headers are in a file, one a line. With ORDER, each request has
-- the session cookie of another session: TOKENS has the tokens, one a line, and ORDER
-- the numbers of the sessions (from 1) in the order of the requests, which begin at
-- the START-th and go round. All requests are made before the first is sent.

for line in io.lines(os.getenv("HEADERS")) do
	local name, value = line:match("^([^:]+): (.*)$")
	wrk.headers[name] = value
end

if os.getenv("ORDER") then
	local requests, order, at = {}, {}, tonumber(os.getenv("START"))

	function init()
		local whole, mark = wrk.format(), "$TOKEN"
		local from, to = whole:find(mark, 1, true)
		local head, tail = whole:sub(1, from - 1), whole:sub(to + 1)
		for token in io.lines(os.getenv("TOKENS")) do
			requests[#requests + 1] = head .. token .. tail
		end
		for number in io.lines(os.getenv("ORDER")) do
			order[#order + 1] = tonumber(number)
		end
	end

	function request()
		at = at % #order + 1
		return requests[order[at]]
	end
end

-- Times are in microseconds.
function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'\nSUMMARY {"answers":%d,"refused":%d,"broken":%d,"took":%d,"p50":%d,"p99":%d}\n',
		summary.requests, e.status, e.connect + e.read + e.write + e.timeout,
		summary.duration, latency:percentile(50), latency:percentile(99)))
end
