"""The web page: record or upload a recording, and show the results.

`page` builds the page with Gradio and adds the route of its results, `results_html` draws them, `assets` holds styles
and script. The way in is `page.mount_page`.
"""
