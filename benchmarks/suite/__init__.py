"""All benchmarks one after another, small enough to end in minutes: `pptsn bench run`, and `make bench`.

`parts` what each part measures, and all in turn; `subject` what they measure, and on what.
"""
