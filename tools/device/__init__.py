"""Trials on a device with an accelerator."""
