-- Reads what no page has any business to read.
local page = require "page"

function handle(r)
  local file, reason = io.open("/etc/passwd")
  if not file then
    return page.send(r, 403, "/etc/passwd", page.who(r) .. "\n<p>" .. r:escape_html(reason) .. page.back)
  end
  local text = file:read("a")
  file:close()
  return page.send(r, 200, "/etc/passwd", page.who(r) .. "\n<pre>" .. r:escape_html(text) .. "</pre>" .. page.back)
end
