"""`verify`: does another result, or what the CAA authors published, agree with a result file.

`files.verify_files` and `folder.verify_folder` compare, `text` says what they found. Nothing here writes; no report needs it.
"""
