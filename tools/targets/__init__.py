"""What this toolkit promises on two cores, measured beside the plain way and the field.

    python -m tools.targets --model resnet50.onnx --int8 resnet50.int8-cpu.onnx --small small.onnx \
        --clip example.avi --folder clips/ -o tools/results/targets.json

where         what
------------  ------------------------------------------------------------------------------------------------
`target`      a target, its bound, and whether a measurement meets it
`gaining`     against the plain way: taken from `tools.gains.ladder`
`decoding`    reading a long clip, against decord
`folders`     many clips, against the engine alone
`given`       frames as an array, against the clip as a file
`programs`    `pptsn` as a process: its memory, and the time to its first answer
`pooling`     decoders beside a stand-in for a GPU
`trees`       the memory of a process and its children together
`pipelines`   the stream pipeline over files, and the same work without it
`streams`     one stream and eight, segments, latency
`long_runs`   memory over hundreds of thousands of frames
`gpu`         a clip, and views a second, on a GPU
`__main__`    the command line
"""
