"""WavLM attention with PyTorch's fused kernel; the gated relative position bias is the kernel's bias.

The implementation in transformers computes attention weights, averages them over the heads and discards them. It also
transposes the frames, so that PyTorch copies the frozen weights once for every frame of a batch: on a CPU two clips of
WavLM-large took forty times as long as one. This implementation does neither, and its results are equal except for
rounding. It returns no attention weights and has no attention dropout, which a frozen encoder does not use.
"""

import math

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel
from transformers.models.wavlm.modeling_wavlm import WavLMAttention


class FusedWavLMAttention(WavLMAttention):
    """WavLM attention with the weights and weight names of the class in transformers, and another forward pass.

    Source: Chen et al. 2022, "WavLM", section III.B (gated relative position bias).
    """

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_bias: Tensor | None = None,
        **unused: object,
    ) -> tuple[Tensor, None, Tensor]:
        """Attend.

        Args:
            hidden_states: `[A, N, D]`.
            attention_mask: `[A, N]`, true where a frame is not padding.
            position_bias: `[1, H, N, N]`, computed by the first layer; `None` in the first layer.
            **unused: other arguments that transformers passes to its layers.

        Returns:
            `[A, N, D]`, `None` in place of the attention weights, and the bias for the next layer.
        """
        if position_bias is None:
            # compute_bias returns it with heads last in memory; the kernel reads heads first.
            position_bias = self.compute_bias(hidden_states.shape[1], hidden_states.shape[1])[None].contiguous()
        queries, keys, values = (
            projection(hidden_states).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # [A, H, N, D_h]
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        unseen = hidden_states.new_zeros(1, 1, 1, hidden_states.shape[1])
        if attention_mask is not None:
            unseen = unseen.masked_fill(~attention_mask.bool()[:, None, None], -math.inf)  # [A, 1, 1, N]
        # Fused multiply and add: for four clips the bias has two million values a layer.
        bias = unseen.addcmul(self._gates(hidden_states), position_bias)
        seen = scaled_dot_product_attention(queries, keys, values, bias)
        return self.out_proj(seen.transpose(1, 2).flatten(2)), None, position_bias

    def _gates(self, hidden_states: Tensor) -> Tensor:
        """Gate of the relative position bias for each frame and head, `[A, H, N, 1]`."""
        heads = hidden_states.unflatten(-1, (self.num_heads, -1))  # [A, N, H, D_h]
        sums = self.gru_rel_pos_linear(heads).unflatten(-1, (2, -1)).sum(-1)  # [A, N, H, 2]
        update, reset = sums.sigmoid().transpose(1, 2).chunk(2, dim=-1)
        return update * (reset * self.gru_rel_pos_const - 1.0) + 2.0


def fuse_attention(model: PreTrainedModel) -> None:
    """Use `FusedWavLMAttention` in all layers of a frozen WavLM, in place."""
    for module in model.modules():
        if type(module) is WavLMAttention:
            module.__class__ = FusedWavLMAttention
