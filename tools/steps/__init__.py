"""What training promises on two cores: how fast clips are loaded, and what a step takes beside its arithmetic.

python -m tools.steps --clips clips/fight -o tools/results/steps.json
"""
