"""What becomes of a report for people: tables, plots, one page, and the verdict on two of them.

    wording   names, figures, cases and machines in words
    tables    what each section shows, as tables that all outputs share
    terminal  the tables on a terminal
    canvas    Matplotlib, and how plots look; charts: the kinds of them
    plots     which plots a report has
    html      one self-contained page, by Jinja2 and `page.html`, with the few figures that come first
    judging   whether a figure got better or worse
    compare   two reports, case by case, as tables and in sentences
    writing   reports and comparisons as files, and their Markdown

Matplotlib and Jinja2 (extra `bench`) are loaded when a plot or a page is asked for, each in one file.
"""
