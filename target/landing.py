"""The landing page, for browsers."""

from typing import Final

PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AIA</title>
<style>
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem }
:root { color-scheme: light dark }
</style>
</head>
<body>
<h1>AIA</h1>
<p>From a prompt to a report, slides and a dashboard.</p>
<p><a href="/docs">API</a> · <a href="/health">Health</a></p>
</body>
</html>
"""
