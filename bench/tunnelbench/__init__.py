# SPDX-License-Identifier: MIT
"""What bench/tunnel is made of."""
