"""Outlines of lesions as annotation tools write them: PNG masks, LabelMe, COCO, CVAT and Pascal VOC."""
