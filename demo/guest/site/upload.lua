-- Writes what it is sent (the form field `text`) into a file of the user's name.
local page = require "page"

function handle(r)
  if r.method ~= "POST" then
    return page.send(r, 405, "Upload", "<p>Nothing was sent." .. page.back)
  end
  local form = r:parsebody()
  local name = (r.user or "anonymous") .. ".txt"
  local file, reason = io.open("/var/www/demo/site/uploads/" .. name, "w")
  if not file then
    return page.send(r, 403, "Upload", page.who(r) .. "\n<p>" .. r:escape_html(reason) .. page.back)
  end
  file:write(form.text or "", "\n")
  file:close()
  return page.send(r, 201, "Upload", page.who(r) .. '\n<p>Written: <a href="/uploads/' .. name .. '">uploads/' ..
    name .. "</a>, with your category." .. page.back)
end
