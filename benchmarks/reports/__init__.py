"""What becomes of a report for people: tables, plots, one page, and the verdict on two of them.

    wording     names and figures in words
    machines    machines in one line, and how two of them differ
    tables      what each section shows, as tables that all outputs share
    headlines   the few figures that come first
    terminal    the tables on a terminal
    markdown    the same for a README
    canvas      Matplotlib, and how plots look; bars, scatter: two kinds of them
    plots       which plots a report has
    html        one self-contained page, by Jinja2 and `page.html`
    judging     whether a figure got better or worse
    compare     two reports, case by case, as tables and in sentences
    writing     reports and comparisons as files

Matplotlib and Jinja2 (extra `bench`) are loaded when a plot or a page is asked for, each in one file.
"""
