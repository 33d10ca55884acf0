"""The report of a verdict as HTML, Markdown and JUnit XML."""
