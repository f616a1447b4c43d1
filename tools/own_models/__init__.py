"""What a model of one's own costs beside the work that cannot be left out: lists, classifier alone, report.

    python -m tools.own_models --clips clips/ --weights demo.pdparams --model demo.onnx --list test.txt

`--clips` is a folder with one folder of clips a class; lists are made of all of them, probed the same way alone.
"""
