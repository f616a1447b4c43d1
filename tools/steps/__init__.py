"""What training promises on two cores: loading clips, a step beside its arithmetic, two ranks beside one.

python -m tools.steps --clips clips/fight -o tools/results/steps.json
"""
