-- What the Lua pages share.
local page = {}

-- The context that the page runs in: a child process has its parent thread's, and asks the kernel.
function page.context()
  local pipe = assert(io.popen("exec perl /var/www/demo/lib/context.pl"))
  local context = pipe:read("l")
  pipe:close()
  return context or "unknown"
end

-- Sends a page: its title, and what to say as HTML.
function page.send(r, status, title, html)
  r.status = status
  r.content_type = "text/html; charset=utf-8"
  r:puts('<!doctype html>\n<html lang="en">\n<title>', title, "</title>\n",
    '<link rel="stylesheet" href="/style.css">\n<h1>', title, "</h1>\n", html, "\n")
  return apache2.OK
end

-- Who asks, and the context that this got them.
function page.who(r)
  local user = r.user and "<b>" .. r:escape_html(r.user) .. "</b>" or "<b>anonymous</b>"
  return "<p>You are " .. user .. ", and this page runs in <code>" .. r:escape_html(page.context()) .. "</code>."
end

-- The end of each page but the first.
page.back = '<p><a href="/">Back</a>'

return page
